"""`reactor …`"""
