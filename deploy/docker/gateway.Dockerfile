# The gateway alone: a static binary, made by make build (CGO_ENABLED=0).
# Context: the repository's root.
FROM scratch
COPY bin/gateway /gateway
# A number, not a name: there is no /etc/passwd.
USER 65532:65532
EXPOSE 8000 8001 8100
ENTRYPOINT ["/gateway"]
