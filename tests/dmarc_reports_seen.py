"""Aggregate reports in the shapes that large receivers give them; the contents are made up."""

from __future__ import annotations

GOOGLE = b"""<?xml version="1.0" encoding="UTF-8" ?>
<feedback>
  <version>1.0</version>
  <report_metadata>
    <org_name>google.com</org_name>
    <email>noreply-dmarc-support@google.com</email>
    <extra_contact_info>https://support.google.com/a/answer/2466580</extra_contact_info>
    <report_id>7245120958367458291</report_id>
    <date_range>
      <begin>1796083200</begin>
      <end>1796169599</end>
    </date_range>
  </report_metadata>
  <policy_published>
    <domain>example.org</domain>
    <adkim>r</adkim>
    <aspf>s</aspf>
    <p>quarantine</p>
    <sp>reject</sp>
    <pct>100</pct>
    <np>reject</np>
  </policy_published>
  <record>
    <row>
      <source_ip>192.0.2.25</source_ip>
      <count>41</count>
      <policy_evaluated>
        <disposition>none</disposition>
        <dkim>pass</dkim>
        <spf>pass</spf>
      </policy_evaluated>
    </row>
    <identifiers>
      <header_from>example.org</header_from>
    </identifiers>
    <auth_results>
      <dkim><domain>example.org</domain><result>pass</result><selector>s1</selector></dkim>
      <dkim><domain>example.org</domain><result>pass</result><selector>e1</selector></dkim>
      <dkim><domain>esp.test</domain><result>fail</result><selector>k</selector></dkim>
      <spf><domain>example.org</domain><result>pass</result></spf>
    </auth_results>
  </record>
  <record>
    <row>
      <source_ip>2001:db8:0:0::7</source_ip>
      <count>2</count>
      <policy_evaluated>
        <disposition>quarantine</disposition>
        <dkim>fail</dkim>
        <spf>fail</spf>
        <reason><type>forwarded</type><comment>looks forwarded, downgrade to none</comment></reason>
      </policy_evaluated>
    </row>
    <identifiers><header_from>example.org</header_from></identifiers>
    <auth_results><spf><domain>forged.test</domain><result>softfail</result></spf></auth_results>
  </record>
</feedback>
"""

MICROSOFT = b"""\xef\xbb\xbf<?xml version="1.0"?>
<feedback xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">
  <version>1.0</version>
  <report_metadata>
    <org_name>Enterprise Outlook</org_name>
    <email>dmarcreport@microsoft.com</email>
    <report_id>0f3b6b7f41a94a39a3b2</report_id>
    <date_range><begin>1796083200</begin><end>1796169600</end></date_range>
  </report_metadata>
  <policy_published>
    <domain>example.org</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct><fo>1</fo>
  </policy_published>
  <record>
    <row>
      <source_ip>203.0.113.9</source_ip>
      <count>1</count>
      <policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>pass</spf></policy_evaluated>
    </row>
    <identifiers>
      <envelope_to>contoso.test</envelope_to>
      <envelope_from>bounce.example.org</envelope_from>
      <header_from>example.org</header_from>
    </identifiers>
    <auth_results>
      <dkim><domain>example.org</domain><selector>s1</selector><result>unknown</result></dkim>
      <spf><domain>bounce.example.org</domain><scope>mfrom</scope><result>pass</result></spf>
    </auth_results>
  </record>
</feedback>
"""

YAHOO = b"""<?xml version="1.0"?>
<feedback>
  <report_metadata>
    <org_name>Yahoo</org_name>
    <email>dmarchelp@yahooinc.com</email>
    <report_id>1796170391.264716</report_id>
    <date_range>
      <begin>1796083200</begin>
      <end>1796169599 </end>
    </date_range>
  </report_metadata>
  <policy_published>
    <domain>Example.ORG</domain>
    <adkim>r</adkim>
    <aspf>r</aspf>
    <p>reject</p>
    <pct>100</pct>
  </policy_published>
  <record>
    <row>
      <source_ip>198.51.100.4</source_ip>
      <count>7</count>
      <policy_evaluated>
        <disposition>none</disposition>
        <dkim>pass</dkim>
        <spf>fail</spf>
        <reason><type>mailing_list</type></reason>
        <reason><type>arc-ish</type><comment>arc=pass</comment></reason>
      </policy_evaluated>
    </row>
    <identifiers>
      <header_from>lists.example.org</header_from>
    </identifiers>
    <auth_results>
      <dkim>
        <domain>example.org</domain>
        <selector>s1</selector>
        <result>pass</result>
      </dkim>
      <spf>
        <domain>lists.test</domain>
        <result>none</result>
      </spf>
    </auth_results>
  </record>
</feedback>
"""

MAIL_RU = (
    b"<?xml version='1.0' encoding='windows-1251'?>"
    b"<feedback><report_metadata><date_range><end>1796169600</end><begin>1796083200</begin></date_range>"
    b"<email>dmarc_support@corp.mail.ru</email><extra_contact_info>https://help.mail.ru/mail-help</extra_contact_info>"
    b"<org_name>Mail.Ru \xee\xf2\xf7\xb8\xf2</org_name><report_id>64161796012118001796083200</report_id>"
    b"</report_metadata>"
    b"<policy_published><p>none</p><domain>example.org</domain><pct>100</pct><sp>none</sp><aspf>r</aspf><adkim>r</adkim>"
    b"</policy_published>"
    b"<record><auth_results><dkim><domain>example.org</domain><selector>s1</selector><result>pass</result></dkim>"
    b"<spf><result>pass</result><scope>mfrom</scope><domain>example.org</domain></spf></auth_results>"
    b"<identifiers><header_from>example.org</header_from></identifiers>"
    b"<row><source_ip>192.0.2.25</source_ip><policy_evaluated><dkim>pass</dkim><spf>pass</spf>"
    b"<disposition>none</disposition></policy_evaluated><count>3</count></row></record></feedback>"
)

FASTMAIL = b"""<?xml version="1.0" encoding="UTF-8"?>
<feedback xmlns="http://dmarc.org/dmarc-xml/0.1">
 <version>0.1</version>
 <report_metadata>
  <org_name>Fastmail Pty Ltd</org_name>
  <email>reports@fastmaildmarc.com</email>
  <report_id>812903446</report_id>
  <date_range><begin>1796083200</begin><end>1796169599</end></date_range>
  <generator>Mail::DMARC 1.20240314</generator>
  <error>no policy for sub.example.org</error>
  <error>a second one</error>
 </report_metadata>
 <policy_published>
  <domain>example.org</domain><fo>1</fo><p>reject</p><rua>mailto:d@example.org</rua>
 </policy_published>
 <record>
  <row>
   <source_ip>::ffff:192.0.2.77</source_ip><count>5</count>
   <policy_evaluated><disposition>reject</disposition><dkim>fail</dkim><spf>fail</spf>
    <reason><type/><comment/></reason><reason/></policy_evaluated>
  </row>
  <identifiers>
   <envelope_to>messagingengine.test</envelope_to><envelope_from/><header_from>example.org</header_from>
  </identifiers>
  <auth_results>
   <dkim/>
   <spf><domain>mail.forged.test</domain><scope>helo</scope><result>hardfail</result></spf>
  </auth_results>
 </record>
 <extension><made:up xmlns:made="urn:made"><deep><deeper/></deep></made:up></extension>
</feedback>
"""

NEW_FORM = b"""<?xml version="1.0" encoding="UTF-8"?>
<d:feedback xmlns:d="urn:ietf:params:xml:ns:dmarc-2.0">
  <d:version>1.0</d:version>
  <d:report_metadata>
    <d:org_name>Receiver</d:org_name><d:email>p@mx.test</d:email><d:report_id>n1</d:report_id>
    <d:date_range><d:begin>1796083200</d:begin><d:end>1796169599</d:end></d:date_range>
  </d:report_metadata>
  <d:policy_published>
    <d:domain>example.org</d:domain><d:discovery_method>treewalk</d:discovery_method><d:p>reject</d:p>
    <d:testing>y</d:testing>
  </d:policy_published>
  <d:record>
    <d:row><d:source_ip>192.0.2.1</d:source_ip><d:count>3</d:count>
      <d:policy_evaluated><d:disposition>pass</d:disposition><d:dkim>pass</d:dkim><d:spf>fail</d:spf>
        <d:reason><d:type>policy_test_mode</d:type></d:reason></d:policy_evaluated></d:row>
    <d:identifiers><d:header_from>example.org</d:header_from></d:identifiers>
    <d:auth_results/>
  </d:record>
</d:feedback>
"""

SEEN = {
    "google": GOOGLE,
    "microsoft": MICROSOFT,
    "yahoo": YAHOO,
    "mail.ru": MAIL_RU,
    "fastmail": FASTMAIL,
    "new form": NEW_FORM,
}
