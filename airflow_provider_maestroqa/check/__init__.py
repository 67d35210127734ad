"""The check of an account: does MaestroQA behave as this package reads its documents?"""
