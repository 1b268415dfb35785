"""The register as sheets: Excel workbooks and CSV files in and out."""
