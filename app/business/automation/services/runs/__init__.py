"""One run: opened, admitted by its checks, carried under a lease, priced, parked, closed, taken up again."""
