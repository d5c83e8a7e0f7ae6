# The harness's nodes (origin, worker, link, receiver): a static binary. Context:
# the repository's root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /harness ./harness

FROM scratch
COPY --from=build /harness /harness
USER 65532:65532
ENTRYPOINT ["/harness"]
