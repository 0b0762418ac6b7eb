# The image: compiled JavaScript on Node, run by an unprivileged user; nothing in it is written to at run time.
# npm's `node` package is for checkouts; the image has its own Node, so install scripts are not needed.
FROM node:24-bookworm-slim AS packages
WORKDIR /pilotlight
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM packages AS build
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN node node_modules/typescript/bin/tsc -p tsconfig.build.json

FROM node:24-bookworm-slim
WORKDIR /pilotlight
ENV NODE_ENV=production
# The C library's defaults keep twice the memory: an arena for each thread, and room for as many large buffers as ever were at once.
ENV MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072
# So are V8's: a heap that may become larger than 2 GB grows up to fourfold before it is collected, one of 1 GB by three fifths; and hardly
# anything that a control plane makes is garbage so soon that a larger young generation would save work. 5,000 Services of ten endpoints take
# 140 MB of it; a Deployment that sets NODE_OPTIONS has the say.
ENV NODE_OPTIONS="--max-old-space-size=1024 --max-semi-space-size=2"
# What `pilotlight iptables` runs in the init container of a pod, as root: 16 MB.
RUN apt-get update \
 && apt-get install -y --no-install-recommends iptables iproute2 \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
COPY --from=packages /pilotlight/node_modules node_modules
COPY package.json LICENSE ./
COPY proto/bundle.json proto/extensions.json proto/
# What `pilotlight install` prints.
COPY deploy deploy
COPY --from=build /pilotlight/dist dist
# What `istioctl bug-report` runs in the container.
RUN printf '#!/bin/sh\nexec node /pilotlight/dist/pilot-discovery.js "$@"\n' > /usr/local/bin/pilot-discovery && chmod 755 /usr/local/bin/pilot-discovery
USER 1337:1337
EXPOSE 15010 15012 15014 15017 8080
ENTRYPOINT ["node", "dist/main.js"]
CMD ["serve"]
