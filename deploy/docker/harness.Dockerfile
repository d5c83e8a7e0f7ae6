# The harness's nodes (origin, worker, link, receiver): a static binary, made by
# make build. Context: the repository's root.
FROM scratch
COPY bin/harness /harness
USER 65532:65532
ENTRYPOINT ["/harness"]
