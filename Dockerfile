# Exact tags, not digests: whoever builds this for others pins both by digest, after looking at what the tags are today.
FROM node:22.23.2-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build

FROM node:22.23.2-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The optional packages are a Node and a PostgreSQL for machines without; here both are there already.
RUN npm ci --omit=dev --omit=optional

FROM node:22.23.2-slim
# Debian's own security fixes come with each build; their versions are not pinned for that reason.
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install --yes --no-install-recommends bubblewrap ca-certificates git openssh-client \
  && rm -rf /var/lib/apt/lists/* \
  && install --directory --owner=node --group=node --mode=0700 /var/lib/quantapilot /var/lib/quantapilot/state /var/lib/quantapilot/keys
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY bin bin
COPY migrations migrations
COPY examples examples
ENV NODE_ENV=production QP_STATE_DIR=/var/lib/quantapilot/state QP_KEYS_DIR=/var/lib/quantapilot/keys
USER node
# Its own port, which is not published: what it says is for this machine.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9464/healthz', { signal: AbortSignal.timeout(4000) }).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/bin/qp.mjs"]
CMD ["start"]
