"""The toolkit's pages as programs: published numbers beside the obtained ones."""
