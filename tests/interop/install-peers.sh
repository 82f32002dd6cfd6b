#!/bin/sh
# Installs what the interop tests talk to: Postfix, Dovecot, knot, unbound, swaks, scanners, milters, amavisd, Pebble,
# xmllint, POP3 and IMAP clients, ImapFlow from npm in the folder that MTA_TEST_NODE names (if there is npm),
# and Exim and OpenSMTPD unpacked beside them (their packages conflict with Postfix's) in
# the folders that MTA_TEST_EXIM and MTA_TEST_OPENSMTPD name, and Prometheus in that of
# MTA_TEST_PROMETHEUS.  OpenSMTPD's own folders have fixed places: its spool stays empty, the tests mount one there.
# For Debian, as root; quick when everything is there.
# No daemon is started.
set -eu

EXIM=${MTA_TEST_EXIM:-/var/cache/mta-tests/exim}
OPENSMTPD=${MTA_TEST_OPENSMTPD:-/var/cache/mta-tests/opensmtpd}
PROMETHEUS=${MTA_TEST_PROMETHEUS:-/var/cache/mta-tests/prometheus}
NODE=${MTA_TEST_NODE:-/var/cache/mta-tests/node}
IMAPFLOW=1.0.191
PACKAGES="postfix dovecot-lmtpd dovecot-imapd knot knot-dnsutils unbound swaks libnet-ssleay-perl curl fetchmail mpop
    isync offlineimap3 mutt tmux rspamd clamav-daemon spamassassin spamd opendkim opendmarc
    clamav-milter spamass-milter python3-milter amavisd-new pebble libxml2-utils"
export DEBIAN_FRONTEND=noninteractive

installed() {
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

missing=
for package in $PACKAGES; do
    installed "$package" || missing="$missing $package"
done
add_user() {
    getent passwd "$1" >/dev/null || useradd --system --user-group --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin "$1"
}

for user in Debian-exim opensmtpd opensmtpq; do
    add_user $user
done
mkdir -p -m 0755 /var/lib/opensmtpd/empty /var/spool/smtpd
[ -e /usr/libexec/opensmtpd ] || ln -s "$OPENSMTPD/usr/libexec/opensmtpd" /usr/libexec/opensmtpd

if ! grep -qs "\"version\": \"$IMAPFLOW\"" "$NODE/node_modules/imapflow/package.json" && command -v npm >/dev/null; then
    mkdir -p "$NODE"
    # Without it the tests of ImapFlow skip: no reason to run none.
    npm install --silent --no-audit --no-fund --prefix "$NODE" "imapflow@$IMAPFLOW" || echo "imapflow isn't installed" >&2
fi

[ -z "$missing" ] && [ -x "$EXIM/usr/sbin/exim4" ] && [ -x "$OPENSMTPD/usr/sbin/smtpd" ] \
    && [ -x "$PROMETHEUS/usr/bin/prometheus" ] && exit 0

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

# fetch FOLDER PACKAGE...: the packages' files
fetch() {
    folder=$1
    shift
    packages=$(mktemp -d)
    chmod 755 "$packages"
    (cd "$packages" && apt-get -q -o APT::Sandbox::User=root download "$@")
    mkdir -p "$folder"
    for deb in "$packages"/*.deb; do
        dpkg -x "$deb" "$folder"
    done
    rm -r "$packages"
}

# unpack FOLDER PACKAGE...: the same, and the libraries of the last one
unpack() {
    fetch "$@"
    shift
    for last in "$@"; do :; done
    libraries=$(apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        "$last" | sed -n 's/^ *Depends: \(lib[^ <]*\)$/\1/p')
    # shellcheck disable=SC2086
    apt-get -q install -y --no-install-recommends $libraries
}

[ -x "$EXIM/usr/sbin/exim4" ] || unpack "$EXIM" exim4-base exim4-daemon-light
[ -x "$OPENSMTPD/usr/sbin/smtpd" ] || unpack "$OPENSMTPD" opensmtpd
[ -x "$PROMETHEUS/usr/bin/prometheus" ] || fetch "$PROMETHEUS" prometheus # it needs libc alone; the rest is for its pages
