#!/usr/bin/env python3
"""webhook.py ADDRESS CERTIFICATE KEY: a mutating webhook that adds an annotation and a container to every pod it is asked about."""
import base64
import http.server
import json
import ssl
import sys

PATCH = [
    {'op': 'add', 'path': '/metadata/annotations', 'value': {'lab/mutated': 'yes'}},
    {'op': 'add', 'path': '/spec/containers/-', 'value': {'name': 'injected', 'image': 'busybox:1.35', 'command': ['sleep', '1000']}},
]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers['content-length'])))
        body = json.dumps({
            'apiVersion': 'admission.k8s.io/v1',
            'kind': 'AdmissionReview',
            'response': {
                'uid': review['request']['uid'],
                'allowed': True,
                'patchType': 'JSONPatch',
                'patch': base64.b64encode(json.dumps(PATCH).encode()).decode(),
            },
        }).encode()
        self.send_response(200)
        self.send_header('content-type', 'application/json')
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(address, certificate, key):
    server = http.server.ThreadingHTTPServer((address, 9443), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == '__main__':
    main(*sys.argv[1:])
