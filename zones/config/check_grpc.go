package config

import "gslb/health"

// grpcCheck reads what is particular to a check of type grpc.
func (l *loader) grpcCheck(c *check, raw *rawGRPC) {
	service := l.text(c, c.at.Key("service"), raw.Service, never, whole(validArgument))
	link := l.linkByKey(c, &raw.rawLink)
	address := l.address(c, raw.Address)
	if address == nil && raw.Target == nil {
		return
	}
	c.spec = func(f *filling) health.Spec {
		return &health.GRPC{Address: f.fill(address), Link: link.fill(f), Service: f.fill(service)}
	}
}
