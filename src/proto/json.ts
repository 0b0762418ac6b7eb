/** The proto3 JSON form of messages, as Go's protojson has it with proto names. */
export { fromJson, type JsonProblem } from './json-reader.ts';
export { toCamelJson, toJson } from './json-writer.ts';
export { each, type LateJson, type LateList, lateAny, lateCamelJson, Members, pause } from './late-json.ts';
