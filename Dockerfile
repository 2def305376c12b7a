# The gateway's image: one for every engine, transport and database; the environment says which. Its tag is the hash of what it is built from
# (infra/targets/docker/context.ts), and .dockerignore lets nothing else in.
ARG NODE_IMAGE=docker.io/library/node:26-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
# Before the sources: they change more often than what they stand on.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier --cache /tmp/npm && rm -rf /tmp/npm
COPY contract contract
COPY gateway gateway
COPY examples examples
COPY cli cli
# A first run sizes itself for the machine it is on.
COPY infra infra
# A checkout under a strict umask would make files that the process cannot read, a lax one files that it could write.
RUN chmod -R u=rwX,go=rX /app

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="mcp-stack gateway" \
      org.opencontainers.image.description="An MCP gateway; settings come from its environment" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
COPY --from=build /app /app
ENV NODE_ENV=production
# Any user will do: nothing below /app is written, and where data goes is said by DATA_DIR.
USER 1000:1000
STOPSIGNAL SIGTERM
HEALTHCHECK NONE
ENTRYPOINT ["node", "/app/cli/mcp-stack.js"]
CMD ["serve"]
