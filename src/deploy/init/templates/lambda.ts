/** `shimmy init --template lambda`: the library's fetch handler under AWS Lambda's response streaming, as a container image. */
import type { TemplateOptions } from "../options.ts";
import type { Template } from "../template.ts";
import { listed, mebibytes, modelVariables, NEW_KEY, notOfHub, ofHub } from "./common.ts";
import { DOCKERIGNORE, dropOtherEngine } from "./docker.ts";

export const lambda: Template = {
  name: "lambda",
  aliases: ["serverless"],
  summary: "AWS Lambda: streamed answers by a Function URL, models in the image, SAM template",
  files: (options) => [
    { path: "lambda.mjs", text: HANDLER },
    { path: "template.yaml", text: samTemplate(options) },
    { path: "Dockerfile.lambda", text: dockerfile(options) },
    { path: ".dockerignore", text: DOCKERIGNORE },
    { path: "README-lambda.md", text: readme(options) },
  ],
};

/** Function URLs send events of format 2.0 of the API Gateway; `awslambda` is a global of Lambda's own Node runtime. */
const HANDLER = `// AWS Lambda → Shimmy: an event of a Function URL becomes a Request, the Response is streamed back.
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createShimmy } from "shimmy";

// A Function URL without IAM is open to everybody. With AuthType AWS_IAM the key still says who asks: send it as x-api-key.
if (!process.env.SHIMMY_API_KEY) throw new Error("SHIMMY_API_KEY is not set");

// Once for each instance of the function. The model is loaded with the first request, and stays while the instance does.
const shimmy = await createShimmy();

// Lambda freezes an instance between requests and gives no notice of its end that could be waited for; the engine ends with this process.
export const handler = awslambda.streamifyResponse(async (event, output) => {
  // Told when the client goes, as far as Lambda says so.
  const gone = new AbortController();
  output.once("close", () => gone.abort());
  const response = await shimmy.fetch(requestOf(event, gone.signal));
  const { "set-cookie": _, ...headers } = Object.fromEntries(response.headers);
  const prelude = { statusCode: response.status, headers, cookies: response.headers.getSetCookie() };
  const body = awslambda.HttpResponseStream.from(output, prelude);
  // Status and headers go out with the first write, whatever it holds: an answer without a body needs one too.
  body.write("");
  // Not ended and not destroyed by the pipeline: what fails half-way is thrown, and Lambda's runtime tells it in the trailers.
  if (response.body !== null) await pipeline(Readable.fromWeb(response.body), body, { end: false });
  body.end();
});

function requestOf(event, signal) {
  const { method } = event.requestContext.http;
  const url = new URL(event.rawPath + (event.rawQueryString ? \`?\${event.rawQueryString}\` : ""), "https://lambda.invalid");
  const headers = new Headers(event.headers);
  headers.delete("content-length"); // that of the event; the body below is as long as it is
  if (event.cookies?.length > 0) headers.set("cookie", event.cookies.join("; "));
  const hasBody = typeof event.body === "string" && method !== "GET" && method !== "HEAD";
  const body = hasBody ? Buffer.from(event.body, event.isBase64Encoded ? "base64" : "utf8") : null;
  return new Request(url, { method, headers, body, signal });
}
`;

function dockerfile({ version, models }: TemplateOptions): string {
  const pulls = ofHub({ models }).map((model) => `node_modules/.bin/shimmy pull ${model}`);
  return `FROM public.ecr.aws/lambda/nodejs:22

# A package made by \`npm pack\` that lies here is used; else the registry's.
COPY lambda.mjs shimmy-*.tgz ./
RUN npm install --no-audit --no-fund "$(ls ./shimmy-*.tgz 2> /dev/null || echo shimmy@${version})" \\
    && ${dropOtherEngine("node_modules")} \\
    && rm -f shimmy-*.tgz

# Only /tmp can be written to when it runs.
ENV SHIMMY_PULL_DIR=/var/task/models \\
    SHIMMY_MODEL_STORES=off \\
    SHIMMY_FILES=false \\
    HOME=/tmp \\
    XDG_CACHE_HOME=/tmp/cache \\
    XDG_DATA_HOME=/tmp/data
${pulls.length > 0 ? `\n# In the image: an instance begins with its models. For gated repositories add --secret to the build.\nRUN ${[...pulls, "node_modules/.bin/shimmy verify"].join(" \\\n    && ")}\n` : ""}
CMD ["lambda.handler"]
`;
}

/** Lambda gives a virtual processor for each 1769 MB. */
const LARGEST = 10_240;

function samTemplate(options: TemplateOptions): string {
  const { name } = options;
  const variables = Object.entries(modelVariables(options)).map(([variable, value]) => `          ${variable}: "${value}"\n`);
  return `AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Description: ${name}, Shimmy on Lambda

Parameters:
  ApiKey:
    Type: String
    NoEcho: true
    MinLength: 16
    Description: Each request must carry it, as Bearer or x-api-key.

Resources:
  Shimmy:
    Type: AWS::Serverless::Function
    Metadata:
      Dockerfile: Dockerfile.lambda
      DockerContext: .
      DockerTag: latest
    Properties:
      FunctionName: ${name}
      PackageType: Image
      Architectures: [x86_64]
      # Processors come with memory: one for each 1769 MB.
      MemorySize: ${lambdaMemory(options)}
      Timeout: 900
      # An instance answers one request at a time; this bounds what a flood of them costs.
      ReservedConcurrentExecutions: ${options.replicas}
      Environment:
        Variables:
          SHIMMY_API_KEY: !Ref ApiKey
${variables.join("")}      FunctionUrlConfig:
        AuthType: NONE
        InvokeMode: RESPONSE_STREAM

Outputs:
  Url:
    Value: !GetAtt ShimmyUrl.FunctionUrl
`;
}

function lambdaMemory(options: TemplateOptions): number {
  return Math.min(LARGEST, Math.max(mebibytes(options), Math.ceil(options.cpus * 1769)));
}

function readme(options: TemplateOptions): string {
  const { name, memoryReason } = options;
  const pulled = ofHub(options);
  return `# ${name}: Shimmy on AWS Lambda

\`\`\`sh
sam build
sam deploy --guided --parameter-overrides ApiKey=${NEW_KEY}      # note the key; prints the URL
curl "$URL/v1/chat/completions" -H "x-api-key: $KEY" -H "Content-Type: application/json" \\
  -d '{"stream": true, "messages": [{"role": "user", "content": "Hello!"}]}'
\`\`\`

- **Models** are in the image${pulled.length > 0 ? `: ${listed({ models: pulled })}` : "; the embedded shimmy-tiny comes with the package"}.${notOfHub(options, "the image (a COPY to /var/task/models in Dockerfile.lambda, and a line in .dockerignore)")} An image may have 10 GB; the first read of a layer is slow, so small models start much sooner.
- **Cold start** is Lambda's own, the import, and the load of the model with the first request. Provisioned concurrency takes away the first two. The last two,
  measured on two cores of an AMD EPYC with the processor that Lambda gives to 1769 MB: 0.3 s to the first token with shimmy-tiny, 0.5 s with a model of
  98 MB, if the image was read before. Yours will differ.
- **Memory.** ${memoryReason} ${lambdaMemory(options)} MB here, at most ${LARGEST}; more memory is also more processors.
- **Limits of Lambda.** One request at a time in an instance, so nothing is batched; 15 minutes and 200 MB for an answer; a request of 6 MB; \`replicas\` (${options.replicas}) is how many instances there may be, others get 429. A new account may have ten in all and then none to reserve: take \`ReservedConcurrentExecutions\` out.
- **What is off.** Files and batches: an instance may be gone when they are asked for. Stored responses (\`previous_response_id\`) hold only as long as their instance: send \`store: false\`.
- **The key** is a parameter of the stack with NoEcho, in no file.
`;
}
