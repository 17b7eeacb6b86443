"""How the embedded model is made: synthetic voices, a telephone's channel, a small network, a Kaldi model's files."""
