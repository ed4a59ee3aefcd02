"""The index over run folders, local or shared."""
