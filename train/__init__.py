"""The encoder: pictures in, fitted INRs, rate control, measurements, and the command line."""
