/**
 * `node:http`. An import of the module itself reads every one of its exports, and one of those, WebSocket, loads an HTTP client of its own
 * (undici): 11 MB of resident memory that nothing here uses.
 */
export const { Agent, createServer, request, STATUS_CODES } = process.getBuiltinModule('node:http');
