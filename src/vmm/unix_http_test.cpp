// SPDX-License-Identifier: Apache-2.0
// Claims about requests to a monitor's socket: every way in which there is no answer ends in time, in a sentence.
#include "vmm/unix_http.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/asio.hpp>
#include <filesystem>

#include "base/limits.hpp"

namespace vmline::vmm {
namespace {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using std::chrono::milliseconds;

/// A server that reads a request and then writes `answer` as it is.
class UnixHttp : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "vmline-http-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string socket() const { return folder_ + "/s"; }

  void serve(std::string answer, bool close = true) {
    acceptor_.emplace(loop_, stream_protocol::endpoint(socket()));
    asio::co_spawn(loop_, one_client(std::move(answer), close), asio::detached);
  }
  Result<HttpAnswer> ask(std::string body = "", milliseconds limit = milliseconds(2000)) {
    std::optional<Result<HttpAnswer>> result;
    HttpRequest request{socket(), "PUT", "/api/v1/vm.boot", std::move(body), limit};
    asio::co_spawn(loop_, ask_http(std::move(request)), [&](std::exception_ptr error, Result<HttpAnswer> answer) {
      EXPECT_FALSE(error);
      result = std::move(answer);
      loop_.stop();
    });
    loop_.restart();
    loop_.run_for(std::chrono::seconds(10));
    return result ? std::move(*result) : Result<HttpAnswer>(fail("hung"));
  }

  std::string asked_;

 private:
  asio::awaitable<void> one_client(std::string answer, bool close) {
    client_ = co_await acceptor_->async_accept(asio::use_awaitable);
    std::string buffer(1 << 16, 0);
    std::size_t size = co_await client_->async_read_some(asio::buffer(buffer), asio::use_awaitable);
    asked_ = buffer.substr(0, size);
    co_await asio::async_write(*client_, asio::buffer(answer), asio::as_tuple(asio::use_awaitable));
    if (close) client_->close();
  }

  std::string folder_;
  asio::io_context loop_;
  std::optional<stream_protocol::acceptor> acceptor_;
  std::optional<stream_protocol::socket> client_;
};

TEST_F(UnixHttp, AsksAndReadsTheAnswer) {
  serve("HTTP/1.1 500 \r\nServer: x\r\nContent-Length: 4\r\n\r\n[\"a]", false);
  auto answer = ask("{}");
  ASSERT_TRUE(answer) << answer.error().sentence();
  EXPECT_EQ(answer->status, 500u);
  EXPECT_EQ(answer->body, "[\"a]");
  EXPECT_TRUE(asked_.starts_with("PUT /api/v1/vm.boot HTTP/1.1\r\nHost: localhost\r\n")) << asked_;
  EXPECT_TRUE(asked_.ends_with("Content-Length: 2\r\n\r\n{}")) << asked_;
}

TEST_F(UnixHttp, AnAnswerWithoutABodyIsComplete) {
  serve("HTTP/1.1 204 \r\nConnection: keep-alive\r\n\r\n", false);
  auto answer = ask();
  ASSERT_TRUE(answer) << answer.error().sentence();
  EXPECT_EQ(answer->status, 204u);
}

TEST_F(UnixHttp, SilenceEndsAtTheLimit) {
  serve("HTTP/1.1 200 \r\n", false);
  auto answer = ask("", milliseconds(50));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().sentence(), "no answer within 50ms");
  EXPECT_EQ(answer.error().kind(), ErrorKind::timed_out);
}

TEST_F(UnixHttp, AnEndBeforeTheAnswerIsToldAsThat) {
  serve("");
  EXPECT_EQ(ask().error().sentence(), "the connection ended before an answer came");
}

TEST_F(UnixHttp, AHalfAnswerIsNone) {
  serve("HTTP/1.1 200 \r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(ask().error().sentence(), "the connection ended before an answer came");
}

TEST_F(UnixHttp, NobodyThereIsToldWithThePath) { EXPECT_EQ(ask().error().sentence(), socket() + ": No such file or directory"); }

TEST_F(UnixHttp, NonsenseAndTooMuchAreRefused) {
  serve("SSH-2.0-OpenSSH\r\n\r\n");
  EXPECT_FALSE(ask());
}

TEST_F(UnixHttp, AnAnswerBeyondTheLimitIsRefused) {
  serve("HTTP/1.1 200 \r\nContent-Length: " + std::to_string(limits::monitor_answer + 1) + "\r\n\r\n");
  auto answer = ask();
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().sentence().find("body limit"), std::string::npos) << answer.error().sentence();
}

}  // namespace
}  // namespace vmline::vmm
