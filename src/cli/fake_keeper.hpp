// SPDX-License-Identifier: Apache-2.0
// For tests: a control socket on a thread of its own, on which each connection in turn is served by a script of the test's.
#pragma once
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace vmline::cli {

/// A folder that is gone with it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "vmline-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class FakeKeeper {
 public:
  using Protocol = boost::asio::local::stream_protocol;
  using Request = boost::beast::http::request<boost::beast::http::string_body>;

  /// One connection, its first request read already. It is closed when the script returns.
  class Connection {
   public:
    explicit Connection(Protocol::socket socket) : socket_(std::move(socket)) {
      boost::beast::flat_buffer buffer;
      boost::beast::error_code ec;
      boost::beast::http::read(socket_, buffer, request_, ec);
    }
    [[nodiscard]] const Request& request() const { return request_; }
    [[nodiscard]] std::string target() const { return std::string(request_.target()); }

    void answer(unsigned status, const std::string& body) {
      boost::beast::http::response<boost::beast::http::string_body> response(boost::beast::http::int_to_status(status), 11, body);
      response.prepare_payload();
      boost::beast::error_code ec;
      boost::beast::http::write(socket_, response, ec);
    }
    /// Waits until the client leaves.
    void wait_for_end() {
      char byte;
      boost::beast::error_code ec;
      socket_.read_some(boost::asio::buffer(&byte, 1), ec);
    }

    using Stream = boost::beast::websocket::stream<Protocol::socket&>;
    void upgrade(const std::function<void(Stream&)>& serve) {
      Stream stream(socket_);
      boost::beast::error_code ec;
      stream.accept(request_, ec);
      if (!ec) serve(stream);
    }
    static void text(Stream& stream, const std::string& message) { send(stream, message, true); }
    static void bytes(Stream& stream, const std::string& message) { send(stream, message, false); }
    static std::string receive(Stream& stream) {
      boost::beast::flat_buffer buffer;
      boost::beast::error_code ec;
      stream.read(buffer, ec);
      return boost::beast::buffers_to_string(buffer.data());
    }

   private:
    static void send(Stream& stream, const std::string& message, bool text) {
      boost::beast::error_code ec;
      stream.text(text);
      stream.write(boost::asio::buffer(message), ec);
    }
    Protocol::socket socket_;
    Request request_;
  };
  using Script = std::function<void(Connection&)>;

  /// Serves as many connections as there are scripts, then nobody listens there any more.
  FakeKeeper(const std::string& path, std::vector<Script> scripts)
      : acceptor_(loop_, Protocol::endpoint(path)), thread_([this, path, scripts = std::move(scripts)] {
          for (std::size_t i = 0; i < scripts.size(); ++i) {
            Connection connection(acceptor_.accept());
            if (i + 1 == scripts.size()) {
              acceptor_.close();
              ::unlink(path.c_str());
            }
            scripts[i](connection);
          }
        }) {}

 private:
  boost::asio::io_context loop_;
  Protocol::acceptor acceptor_;
  std::jthread thread_;
};

}  // namespace vmline::cli
