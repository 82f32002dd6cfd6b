"""What a site has to publish in the DNS: the records, their text, and how they compare with what is there (PURE)."""
