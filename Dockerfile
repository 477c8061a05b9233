# syntax=docker/dockerfile:1

# The server alone is the target `server`; `development` adds what `diolkos dev` needs (Postgres, a local chain).
#   docker build --target server -t diolkos .

FROM rust:1.95-bookworm AS build
WORKDIR /src
ENV SQLX_OFFLINE=true CARGO_TERM_COLOR=never
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin diolkos && \
    install -D target/release/diolkos /out/diolkos

FROM node:22-bookworm-slim AS packages
WORKDIR /packages
COPY dev/package.json dev/package-lock.json dev/.npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund

FROM debian:bookworm-slim AS runtime
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --uid 10001 --create-home --shell /usr/sbin/nologin diolkos
COPY --from=build /out/diolkos /usr/local/bin/diolkos
USER 10001:10001
# Listens on all of the container's addresses; which of them the world sees is for the container's network to say.
ENV HOST=0.0.0.0 PORT=8080
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["diolkos", "healthcheck"]
ENTRYPOINT ["diolkos"]

FROM runtime AS development
ENV DIOLKOS_ROOT=/opt/diolkos
WORKDIR /opt/diolkos
# The user's own, for it links libraries in there and keeps its data in .dev.
COPY --from=packages --chown=10001:10001 /packages/node_modules dev/node_modules
USER root
RUN install -d -o 10001 -g 10001 /opt/diolkos/.dev
USER 10001:10001
VOLUME /opt/diolkos/.dev
CMD ["dev"]

FROM runtime AS server
CMD ["serve"]
