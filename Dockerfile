# syntax=docker/dockerfile:1

# Built on the machine's own processor, for that of the image: docker buildx build --platform linux/amd64,linux/arm64
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
ARG TARGETOS
ARG TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/gslb ./cmd/gslb
# A new volume takes over the owner of the folder that it is mounted on.
RUN mkdir -p /out/state

FROM scratch
LABEL org.opencontainers.image.title="gslb" \
      org.opencontainers.image.description="authoritative DNS that answers with the regions that are healthy now" \
      org.opencontainers.image.licenses="Apache-2.0"
# To verify the load balancers' and AWS's certificates.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/gslb /gslb
COPY --from=build --chown=65532:65532 /out/state /var/lib/gslb

# Not root, and by number, which Kubernetes needs to see that it is not. Docker lets any
# user of a container bind port 53. Where a runtime does not, allow it for the container's
# own network:
#
#     --sysctl net.ipv4.ip_unprivileged_port_start=53
#
# With --network host that setting is the host's own.
USER 65532:65532

# A relative state_dir, such as the example's "var", lies in here.
WORKDIR /var/lib/gslb
VOLUME /var/lib/gslb

# DNS; status page and metrics, which listen on loopback unless admin.listen says more.
EXPOSE 53/udp 53/tcp 8053/tcp

# Whether the server is ready. A region that is down does not make it unhealthy: it answers with another.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/gslb", "healthcheck"]

# SIGTERM, which docker stop sends, has the server answer what it has received first.
ENTRYPOINT ["/gslb"]
CMD ["serve", "/etc/gslb/zones.toml"]
