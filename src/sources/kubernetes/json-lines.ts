/** A watch event is one object; etcd holds objects of at most 1.5 MB, so a line this long is not one. */
const MAX_LINE_BYTES = 32 * 1024 * 1024;

/**
 * Parses newline-separated JSON as it arrives. Yields what each chunk completed, so that a burst is handled in one go and the reader's pace
 * holds the sender back. Throws on a line that is no JSON or is longer than `maxBytes`; an unfinished last line is dropped.
 */
export async function* jsonLines(
  chunks: AsyncIterable<Buffer>,
  maxBytes = MAX_LINE_BYTES,
): AsyncGenerator<readonly unknown[]> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of chunks) {
    const values: unknown[] = [];
    let broken: unknown;
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0 && !broken; end = chunk.indexOf(10, start)) {
      const line = rest.length
        ? Buffer.concat([...rest, chunk.subarray(start, end)]).toString()
        : chunk.toString('utf8', start, end);
      rest = [];
      restBytes = 0;
      start = end + 1;
      try {
        if (line.trim()) values.push(JSON.parse(line));
      } catch (error) {
        broken = error;
      }
    }
    if (values.length) yield values;
    if (broken) throw broken;
    if (start < chunk.length) {
      rest.push(chunk.subarray(start));
      restBytes += chunk.length - start;
      if (restBytes > maxBytes) throw new Error(`a line of more than ${maxBytes} bytes`);
    }
  }
}
