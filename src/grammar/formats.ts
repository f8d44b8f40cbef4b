/**
 * The formats of JSON Schema that are promised, as regular expressions: each describes a part of what the format's own document
 * allows, never more. Called by strings.ts.
 */
const LEAP_YEAR = "(\\d\\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)";
const DATE = `(\\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))|${LEAP_YEAR}-02-29)`;
const TIME = "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)";
const LABEL = "[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?";
const HOST = `${LABEL}(\\.${LABEL}){0,3}`;
const OCTET = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const IPV4 = `${OCTET}(\\.${OCTET}){3}`;
const DAY_PART = "(\\d{1,4}Y)?(\\d{1,4}M)?";
const PATH_CHAR = "[A-Za-z0-9._~-]";
const URL = `https?://${HOST}(:[1-9]\\d{0,3})?(/${PATH_CHAR}{1,64}){0,16}/?(\\?${PATH_CHAR}{1,64}(=${PATH_CHAR}{0,64})?)?`;

const FORMATS: Readonly<Record<string, string>> = {
  // RFC 3339
  date: DATE,
  time: TIME,
  "date-time": `${DATE}T${TIME}`,
  // ISO 8601: at least one part, and at least one behind the T
  duration: `P((\\d{1,4}W)|${DAY_PART}\\d{1,4}D|\\d{1,4}M|(\\d{1,4}Y)(\\d{1,4}M)?|${DAY_PART}(\\d{1,4}D)?T(\\d{1,4}H(\\d{1,4}M(\\d{1,4}S)?)?|\\d{1,4}M(\\d{1,4}S)?|\\d{1,4}S))`,
  uuid: "[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
  email: `[A-Za-z0-9_+-]{1,32}(\\.[A-Za-z0-9_+-]{1,31})?@${LABEL}\\.([a-z0-9]{2,30}\\.)?[a-z]{2,10}`,
  hostname: HOST,
  ipv4: IPV4,
  ipv6: "[0-9a-f]{1,4}(:[0-9a-f]{1,4}){7}",
  uri: URL,
  "uri-reference": URL,
  iri: URL,
  "iri-reference": URL,
  "json-pointer": `(/${PATH_CHAR}{1,64}){0,16}`,
};
const ALIASES: Readonly<Record<string, string>> = { "idn-email": "email", "idn-hostname": "hostname", url: "uri" };

/** The regular expression for whole texts of this format; undefined when it is not known. */
export function formatPattern(format: string): string | undefined {
  const pattern = FORMATS[ALIASES[format] ?? format];
  return pattern === undefined ? undefined : `^(${pattern})$`;
}

export function formatNames(): string[] {
  return [...Object.keys(FORMATS), ...Object.keys(ALIASES)];
}
