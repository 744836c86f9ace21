"""Static analysis of conditions, without reading records: whether they can be met, alone or together with others."""
