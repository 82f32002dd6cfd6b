#!/bin/sh
# Installs what the interop tests talk to: Postfix, Dovecot, knot, swaks, and Exim
# unpacked beside them (its package conflicts with Postfix's) in the folder that
# MTA_TEST_EXIM names.  For Debian, as root; quick when everything is there.
# No daemon is started.
set -eu

EXIM=${MTA_TEST_EXIM:-/var/cache/mta-tests/exim}
PACKAGES="postfix dovecot-lmtpd knot knot-dnsutils swaks libnet-ssleay-perl"
export DEBIAN_FRONTEND=noninteractive

installed() {
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

missing=
for package in $PACKAGES; do
    installed "$package" || missing="$missing $package"
done
[ -z "$missing" ] && [ -x "$EXIM/usr/sbin/exim4" ] && getent passwd Debian-exim >/dev/null && exit 0

# Package scripts start daemons unless this file forbids it.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
fi

apt-get -q update
if [ -n "$missing" ]; then
    echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
    # shellcheck disable=SC2086
    apt-get -q install -y --no-install-recommends $missing
fi

if [ ! -x "$EXIM/usr/sbin/exim4" ]; then
    libraries=$(apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        exim4-daemon-light | sed -n 's/^ *Depends: \(lib[^ <]*\)$/\1/p')
    # shellcheck disable=SC2086
    apt-get -q install -y --no-install-recommends $libraries
    mkdir -p "$EXIM"
    packages=$(mktemp -d)
    chmod 755 "$packages"
    (cd "$packages" && apt-get -q -o APT::Sandbox::User=root download exim4-base exim4-daemon-light && for deb in ./*.deb; do dpkg -x "$deb" "$EXIM"; done)
    rm -r "$packages"
fi
getent passwd Debian-exim >/dev/null || useradd --system --user-group --no-create-home --home-dir /nonexistent \
    --shell /usr/sbin/nologin Debian-exim
