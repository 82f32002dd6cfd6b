"""Messages as octets: header fields, trace fields, dates, reports.  Bytes in, bytes out."""
