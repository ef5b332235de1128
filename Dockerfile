# syntax=docker/dockerfile:1

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin flybridge \
    && install -D target/release/flybridge /out/flybridge \
    && install -d /out/var/lib/flybridge/data

# The C library, certificates of the usual authorities, and nothing else: no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/flybridge /flybridge
# 65532 is the user "nonroot" of this image.
COPY --from=build --chown=65532:65532 /out/var/lib/flybridge /var/lib/flybridge
USER 65532:65532
WORKDIR /var/lib/flybridge
VOLUME /var/lib/flybridge/data
# The environment wins over a configuration file, so inside the container the address is always this one.
ENV FLYBRIDGE_SERVER__LISTEN=0.0.0.0:8080 \
    FLYBRIDGE_LOG__FORMAT=json
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["/flybridge", "health", "--alive"]
ENTRYPOINT ["/flybridge"]
CMD ["serve"]
