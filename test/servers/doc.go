// Package servers gives tests real servers: Redis, Apache Kafka and Prometheus,
// never a fake.
//
// A server that tests share comes from the environment when it is named there
// (TEST_REDIS_ADDRS, TEST_KAFKA_BROKERS). Every other one is a container when a
// Docker engine answers, else a process started from the redis-server on PATH
// and the Kafka jars that `make servers` fetches; Prometheus is always the one on
// PATH. What ran is printed once for each kind. A test whose server cannot be had
// fails and says what to install.
//
// A package that uses these servers calls [Stop] at the end of its TestMain.
package servers
