// Lambda's Node runtime, as far as a streamed handler meets it: takes events of the runtime API, gives the handler its globals, and sends
// what it writes as it comes. Started by the lambda suites and bench/lambda.ts. The wire is that of
// docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html and runtimes-custom.html#runtimes-custom-response-streaming; where they are silent
// (the prelude goes with the first write only; the stream is no stream of Node's, but some of its methods) it does what aws-lambda-ric 4.0.2 does.
import { Agent, request } from "node:http";

const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const [file, name] = process.env._HANDLER.split(".");
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const ERROR_TYPE = "Lambda-Runtime-Function-Error-Type";
const ERROR_BODY = "Lambda-Runtime-Function-Error-Body";
const METHODS = [
  "write",
  "end",
  "destroy",
  "cork",
  "uncork",
  "on",
  "once",
  "off",
  "emit",
  "addListener",
  "removeListener",
  "listenerCount",
];
const PROPERTIES = ["destroyed", "writable", "writableEnded", "writableFinished", "writableNeedDrain", "writableLength"];

globalThis.awslambda = {
  streamifyResponse: (handler) => handler,
  HttpResponseStream: {
    from(stream, prelude) {
      stream.setContentType("application/vnd.awslambda.http-integration-response");
      stream.prelude = JSON.stringify(prelude);
      return stream;
    },
  },
};

const { [name]: handler } = await import(`${process.env.LAMBDA_TASK_ROOT}/${file}.mjs`).catch(async (error) => {
  await call("POST", "/init/error", JSON.stringify(told(error)), { [ERROR_TYPE]: error.name });
  throw error;
});
for (;;) {
  const { headers, text } = await call("GET", "/invocation/next");
  const id = headers["lambda-runtime-aws-request-id"];
  const getRemainingTimeInMillis = () => Number(headers["lambda-runtime-deadline-ms"]) - Date.now();
  await answer(id, JSON.parse(text), { awsRequestId: id, getRemainingTimeInMillis });
}

async function answer(id, event, context) {
  const { sent, stream, done } = responseStream(id);
  try {
    await handler(event, stream, context);
    await done;
  } catch (error) {
    sent.addTrailers({ [ERROR_TYPE]: error.name, [ERROR_BODY]: Buffer.from(JSON.stringify(told(error))).toString("base64") });
    sent.end();
    await done;
  }
}

function responseStream(id) {
  const headers = {
    "Lambda-Runtime-Function-Response-Mode": "streaming",
    Trailer: [ERROR_TYPE, ERROR_BODY],
    "Content-Type": "application/octet-stream",
    "Transfer-Encoding": "chunked",
  };
  const sent = request({ hostname, port, path: path(`/invocation/${id}/response`), method: "POST", headers, agent });
  const done = new Promise((resolve, reject) => {
    sent.once("response", (response) => response.resume().once("end", resolve)).once("error", reject);
  });
  const stream = { setContentType: (type) => sent.setHeader("Content-Type", type) };
  for (const method of METHODS) stream[method] = sent[method].bind(sent);
  for (const property of PROPERTIES) Object.defineProperty(stream, property, { get: () => sent[property] });
  stream.write = (chunk, ...rest) => {
    // Status and headers go before the body, and eight zeros between them.
    if (stream.prelude !== undefined) sent.write(Buffer.concat([Buffer.from(stream.prelude), Buffer.alloc(8)]));
    stream.prelude = undefined;
    return sent.write(chunk, ...rest);
  };
  return { sent, stream, done };
}

function told({ name: errorType, message: errorMessage, stack }) {
  return { errorType, errorMessage, trace: stack.split("\n") };
}

function path(of) {
  return `/2018-06-01/runtime${of}`;
}

function call(method, of, body, headers) {
  return new Promise((resolve, reject) => {
    const asked = request({ hostname, port, path: path(of), method, headers, agent }, async (response) => {
      let text = "";
      for await (const chunk of response.setEncoding("utf8")) text += chunk;
      resolve({ headers: response.headers, text });
    });
    asked.once("error", reject).end(body);
  });
}
