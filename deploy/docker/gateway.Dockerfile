# The gateway alone: a static binary. Context: the repository's root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /gateway ./gateway

FROM scratch
COPY --from=build /gateway /gateway
# A number, not a name: there is no /etc/passwd.
USER 65532:65532
EXPOSE 8000 8001 8100
ENTRYPOINT ["/gateway"]
