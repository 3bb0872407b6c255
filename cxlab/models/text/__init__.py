"""Customers' own words: cleaning, masking, language, word stems and sentiment, without a network.

The order is ``cleaning.clean``, then ``masking.mask`` of what it gives (markup can hide an
address), then ``language.detect``, ``language.settle``, ``cleaning.tokens`` and
``sentiment.score`` of the masked texts.
"""
