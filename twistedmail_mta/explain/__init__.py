"""What would happen to a mail: sessions in which nothing is accepted, and the ways on from there."""
