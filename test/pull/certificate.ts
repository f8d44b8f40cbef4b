/**
 * A key and a certificate of its own for hub.test and cdn.test, names that exist nowhere: for the stand-in behind a proxy. It protects
 * nothing. Made by `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -addext subjectAltName=…`.
 */
export const TEST_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgxuPtMCBJDSTC+Yju
1q5V8mph0iYbLnT0Ac0+F8P+m5WhRANCAAR8CdE6uuHOjW1pqRAVmEkP9ev7sVeM
gBLvGJeZKXR+7ed6aV8/ObUUsO/geFnCWOxq+gu74NXKBATwCK5jJpbO
-----END PRIVATE KEY-----
`;

export const TEST_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBqTCCAVCgAwIBAgIUS61QwKubSCnrVzI9taBAIOEGFfcwCgYIKoZIzj0EAwIw
GjEYMBYGA1UEAwwPU2hpbW15IHRlc3QgaHViMCAXDTI2MTEyNDA5NTQ1N1oYDzIx
MjYxMDMxMDk1NDU3WjAaMRgwFgYDVQQDDA9TaGltbXkgdGVzdCBodWIwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAAR8CdE6uuHOjW1pqRAVmEkP9ev7sVeMgBLvGJeZ
KXR+7ed6aV8/ObUUsO/geFnCWOxq+gu74NXKBATwCK5jJpbOo3IwcDAdBgNVHQ4E
FgQUOn+P388iKCLjAcdt60jZqACmYX4wHwYDVR0jBBgwFoAUOn+P388iKCLjAcdt
60jZqACmYX4wDwYDVR0TAQH/BAUwAwEB/zAdBgNVHREEFjAUgghodWIudGVzdIII
Y2RuLnRlc3QwCgYIKoZIzj0EAwIDRwAwRAIgWCahydTUNAnbYJ69rLdWcdI+qRpo
11oQ8JmWOCo8llsCIF0PGZTQWFD7g4NrT7FraCorfLuh0SgljTFyC9J1MP2k
-----END CERTIFICATE-----
`;
