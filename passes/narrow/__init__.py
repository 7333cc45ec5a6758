"""narrow"""
