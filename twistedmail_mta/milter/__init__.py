"""The milter protocol of Sendmail and Postfix, as the mail server speaks it: octets in and out, and nothing else."""
