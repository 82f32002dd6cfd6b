"""A preflight: a site file held against this machine, the network and the DNS, a file for each subject."""
