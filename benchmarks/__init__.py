"""Accuracy and speed, measured on data that lies in a directory given by the caller."""
