"""Every scenario of the library, played with real peers; what it brings about is read from their kernels and their programs."""
