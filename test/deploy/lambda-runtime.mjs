// Lambda's Node runtime, as far as a streamed handler meets it: takes events of the runtime API, gives the handler its globals, and sends
// what it writes as it comes. Started by lambda.test.ts; the wire is that of docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html and
// runtimes-custom.html#runtimes-custom-response-streaming.
import { request } from "node:http";
import { PassThrough } from "node:stream";

const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`;
const [file, name] = process.env._HANDLER.split(".");

globalThis.awslambda = {
  streamifyResponse: (handler) => handler,
  HttpResponseStream: {
    // Status and headers go before the body, and eight zeros between them.
    from(stream, prelude) {
      stream.contentType = "application/vnd.awslambda.http-integration-response";
      stream.write(JSON.stringify(prelude));
      stream.write(new Uint8Array(8));
      return stream;
    },
  },
};

const { [name]: handler } = await import(`${process.env.LAMBDA_TASK_ROOT}/${file}.mjs`);
for (;;) {
  const next = await fetch(`${api}/invocation/next`);
  const id = next.headers.get("lambda-runtime-aws-request-id");
  await answer(id, await next.json());
}

async function answer(id, event) {
  const output = new PassThrough();
  const done = new Promise((resolve, reject) => {
    let sent;
    output.on("data", (chunk) => {
      sent ??= request(
        `${api}/invocation/${id}/response`,
        {
          method: "POST",
          headers: {
            "lambda-runtime-function-response-mode": "streaming",
            "content-type": output.contentType,
            "transfer-encoding": "chunked",
          },
        },
        (response) => response.resume().once("end", resolve),
      ).once("error", reject);
      sent.write(chunk);
    });
    output.on("end", () => sent.end());
  });
  await Promise.all([handler(event, output, { awsRequestId: id }), done]);
}
