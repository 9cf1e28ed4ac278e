"""Stands for the ussl that upip imports; the tests speak plain HTTP, so that nothing of it is called."""
