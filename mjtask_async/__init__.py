"""Asyncio client for Midjourney-style task APIs."""
