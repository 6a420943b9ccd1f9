"""Expressions over attributes: two front ends, one typed tree, compiled to Python."""
