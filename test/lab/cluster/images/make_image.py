#!/usr/bin/env python3
"""make_image.py NAME ROOT_FOLDER OUT.tar [CONFIG_JSON]

Writes an image of one layer as a docker archive, which `ctr images import` and `buildah pull docker-archive:` read. The same folder gives
the same image: owners' names and the time of creation are left out.
"""
import hashlib
import io
import json
import os
import sys
import tarfile

EPOCH = '1970-01-01T00:00:00Z'


def without_names(entry):
    entry.uname = entry.gname = ''
    return entry


def write_layer(root, path):
    with tarfile.open(path, 'w', format=tarfile.GNU_FORMAT) as layer:
        for name in sorted(os.listdir(root)):
            layer.add(os.path.join(root, name), arcname=name, filter=without_names)
    with open(path, 'rb') as layer:
        return hashlib.file_digest(layer, 'sha256').hexdigest()


def add_file(archive, name, content):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def main(name, root, out, config='{}'):
    layer = out + '.layer'
    digest = write_layer(root, layer)
    image = json.dumps({
        'architecture': 'amd64',
        'os': 'linux',
        'created': EPOCH,
        'config': json.loads(config),
        'rootfs': {'type': 'layers', 'diff_ids': ['sha256:' + digest]},
        'history': [{'created': EPOCH, 'created_by': 'make_image'}],
    }).encode()
    image_file = hashlib.sha256(image).hexdigest() + '.json'
    manifest = [{'Config': image_file, 'RepoTags': [name], 'Layers': [digest + '/layer.tar']}]
    with tarfile.open(out, 'w') as archive:
        add_file(archive, image_file, image)
        archive.add(layer, arcname=digest + '/layer.tar')
        add_file(archive, 'manifest.json', json.dumps(manifest).encode())
    os.unlink(layer)
    print(out, os.path.getsize(out))


if __name__ == '__main__':
    main(*sys.argv[1:])
