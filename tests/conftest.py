"""Having this file here lets every test import `small`."""
