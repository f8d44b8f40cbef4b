/** Where each field of a valid GGUF header lies, for mutations that know what they hit. Called by mutations.ts. Format: ggml docs/gguf.md. */

export interface Field {
  readonly at: number;
  readonly bytes: number;
}

const SIZES: Readonly<Record<number, number>> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };
const STRING = 8;
const ARRAY = 9;
/** Of a long array only so many elements are fields. */
const MAX_ELEMENTS = 16;

/** @param header of a file that is valid; anything else may throw. */
export function fieldsOf(header: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const field = (bytes: number): number => {
    fields.push({ at, bytes });
    at += bytes;
    return at - bytes;
  };
  const u32 = () => header.readUInt32LE(field(4));
  const u64 = () => Number(header.readBigUInt64LE(field(8)));
  const string = () => {
    field(u64());
  };
  const value = (type: number): void => {
    if (type === STRING) string();
    else if (type === ARRAY) array();
    else field(SIZES[type]!);
  };
  const array = (): void => {
    const of = u32();
    const count = u64();
    for (let index = 0; index < count; index++) {
      const before = fields.length;
      value(of);
      if (index >= MAX_ELEMENTS) fields.length = before;
    }
  };
  field(4);
  u32();
  const tensors = u64();
  const entries = u64();
  for (let index = 0; index < entries; index++) {
    string();
    value(u32());
  }
  for (let index = 0; index < tensors; index++) {
    string();
    const dims = u32();
    for (let dim = 0; dim < dims; dim++) u64();
    u32();
    u64();
  }
  return fields.filter(({ bytes }) => bytes > 0);
}
