"""What the demo upstream has seen since the last reset."""


class Stats:
    """Counters; requests to /-/ are not counted, nor connections that carry only those."""

    def __init__(self):
        self.era = 0
        self.clear()

    def clear(self):
        """Starts over; connections that stay open are not counted as new."""
        self.era += 1
        self.connections = 0
        self.paths = {}
        self.methods = {}
        self.per_connection = {}
        self.aborted = {}
        self.in_flight = 0
        self.peak = 0

    def begin(self, connection, request):
        """A request has arrived in full."""
        if not connection.counted and connection.era == self.era:
            self.connections += 1
        connection.counted = True
        path = request.target.partition("?")[0]
        self.paths[path] = self.paths.get(path, 0) + 1
        self.methods[request.method] = self.methods.get(request.method, 0) + 1
        self.per_connection[connection.number] = self.per_connection.get(connection.number, 0) + 1
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        return self.era

    def end(self, era, request, done):
        """Its reply was sent, or the client left before that."""
        if era != self.era:
            return
        self.in_flight -= 1
        if not done:
            path = request.target.partition("?")[0]
            self.aborted[path] = self.aborted.get(path, 0) + 1

    def report(self):
        """As the value served at /-/stats."""
        return {
            "connections": self.connections,
            "requests": sum(self.paths.values()),
            "paths": self.paths,
            "methods": self.methods,
            "requestsPerConnection": list(self.per_connection.values()),
            "aborted": sum(self.aborted.values()),
            "abortedPaths": self.aborted,
            "inFlight": self.in_flight,
            "peakInFlight": self.peak,
        }
