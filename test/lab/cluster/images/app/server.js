// Answers with its pod's name and the headers it got.
const os = require('node:os');
const express = require('express');

const app = express();
app.get('/healthz', (_request, response) => response.send('ok'));
app.get('/', (request, response) => response.json({ host: os.hostname(), headers: request.headers }));
app.listen(8080, '0.0.0.0', () => console.log('listening', process.version));
process.on('SIGTERM', () => process.exit(0));
