/** One block of a PEM text, e.g. of `-----BEGIN CERTIFICATE-----`. */
export interface PemBlock {
  /** `CERTIFICATE` */
  readonly label: string;
  readonly der: Buffer;
}

const BEGIN = '-----BEGIN ';
const END = '-----END ';
const DASHES = '-----';

/**
 * The blocks of a text in their order. What stands between them is skipped, as Go's pem.Decode and OpenSSL do; a block without an end is no
 * block. Takes linear time.
 */
export function pemBlocks(text: string): readonly PemBlock[] {
  const blocks: PemBlock[] = [];
  for (let from = text.indexOf(BEGIN); from >= 0; ) {
    const labelEnd = text.indexOf(DASHES, from + BEGIN.length);
    const end = labelEnd < 0 ? -1 : text.indexOf(END, labelEnd + DASHES.length);
    if (end < 0) break;
    const label = text.slice(from + BEGIN.length, labelEnd);
    const closed = text.startsWith(`${label}${DASHES}`, end + END.length);
    if (closed) blocks.push({ label, der: Buffer.from(text.slice(labelEnd + DASHES.length, end), 'base64') });
    from = text.indexOf(BEGIN, end + END.length);
  }
  return blocks;
}
