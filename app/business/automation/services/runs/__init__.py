"""One run: opened, admitted by its checks, executed under a lease, priced, parked, closed, resumed."""
