// SPDX-License-Identifier: Apache-2.0
// The Monitor on a stand-in for Firecracker's API that notes what it is asked and answers as it is told.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <deque>
#include <filesystem>

#include "vmm/firecracker/firecracker.hpp"

namespace vmline::vmm::firecracker {
namespace {

namespace http = boost::beast::http;
using asio::local::stream_protocol;
using std::chrono::milliseconds;
using Strings = std::vector<std::string>;

struct Answer {
  unsigned status = 204;
  std::string body{};
};

class FirecrackerMonitor : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "vmline-fc-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    spec_.name = "web1";
    spec_.driver = api::DriverKind::firecracker;
    spec_.kernel = "/k";
    spec_.lines.emplace_back();
    Endpoints endpoints = endpoints_of(spec_, folder_, "/log");
    socket_ = endpoints.api_socket;
    monitor_ = make_monitor({.executor = loop_.get_executor(),
                             .spec = &spec_,
                             .endpoints = endpoints,
                             .control_in = -1,
                             .id_prefix = "",
                             .started = std::nullopt});
  }
  void TearDown() override {
    monitor_.reset();
    std::filesystem::remove_all(folder_);
  }

  /// From now on there is somebody. What is not told how to answer, it answers with 204.
  void serve() {
    acceptor_.emplace(loop_, stream_protocol::endpoint(socket_));
    asio::co_spawn(loop_, serve_all(), asio::detached);
  }
  template <class T>
  T run(asio::awaitable<T> operation) {
    std::optional<T> result;
    asio::co_spawn(loop_, std::move(operation), [&](std::exception_ptr error, T value) {
      EXPECT_FALSE(error);
      result = std::move(value);
      loop_.stop();
    });
    loop_.restart();
    loop_.run_for(std::chrono::seconds(10));
    return result ? std::move(*result) : T(fail("hung"));
  }
  std::string said(asio::awaitable<Result<>> operation) {
    Result<> result = run(std::move(operation));
    return result ? "" : result.error().sentence();
  }

  asio::io_context loop_;
  api::Spec spec_;
  std::string folder_, socket_;
  std::unique_ptr<Monitor> monitor_;
  std::deque<Answer> answers_;
  Strings asked_;  ///< "PUT /actions {…}"

 private:
  asio::awaitable<void> serve_all() {
    for (;;) {
      auto [error, client] = co_await acceptor_->async_accept(asio::as_tuple(asio::use_awaitable));
      if (error) co_return;
      boost::beast::flat_buffer buffer;
      http::request<http::string_body> request;
      auto [read_error, size] = co_await http::async_read(client, buffer, request, asio::as_tuple(asio::use_awaitable));
      if (read_error) continue;
      asked_.push_back(std::string(request.method_string()) + " " + std::string(request.target()) +
                       (request.body().empty() ? "" : " " + request.body()));
      Answer answer;
      if (!answers_.empty()) {
        answer = std::move(answers_.front());
        answers_.pop_front();
      }
      http::response<http::string_body> response(http::int_to_status(answer.status), 11, answer.body);
      response.prepare_payload();
      co_await http::async_write(client, response, asio::as_tuple(asio::use_awaitable));
    }
  }
  std::optional<stream_protocol::acceptor> acceptor_;
};

TEST_F(FirecrackerMonitor, MakesTheVmByRequestsAndStartsItByAnAction) {
  serve();
  EXPECT_EQ(said(monitor_->create()), "");
  EXPECT_EQ(said(monitor_->start()), "");
  EXPECT_EQ(said(monitor_->power_button()), "");
  EXPECT_EQ(said(monitor_->pause()), "");
  EXPECT_EQ(said(monitor_->resume()), "");
  EXPECT_EQ(asked_, (Strings{R"(PUT /machine-config {"vcpu_count":1,"mem_size_mib":512})",
                             R"(PUT /boot-source {"kernel_image_path":"/k","boot_args":"console=ttyS0 reboot=k panic=1"})",
                             R"(PUT /actions {"action_type":"InstanceStart"})", R"(PUT /actions {"action_type":"SendCtrlAltDel"})",
                             R"(PATCH /vm {"state":"Paused"})", R"(PATCH /vm {"state":"Resumed"})"}));
}

TEST_F(FirecrackerMonitor, StopsAtTheFirstRefusalAndTellsItInItsWords) {
  serve();
  answers_ = {{400, R"({"fault_message":"The vCPU number is invalid!\nIt can only be 1 or an even number."})"}};
  EXPECT_EQ(said(monitor_->create()), "firecracker PUT /machine-config: The vCPU number is invalid! It can only be 1 or an even number.");
  EXPECT_EQ(asked_.size(), 1u);
  answers_ = {{500, "oops"}, {400, ""}};
  EXPECT_EQ(said(monitor_->start()), "firecracker PUT /actions: oops");
  EXPECT_EQ(said(monitor_->start()), "firecracker PUT /actions: no reason given");
}

TEST_F(FirecrackerMonitor, WaitsForASocketThatIsBoundLate) {
  asio::steady_timer late(loop_, milliseconds(30));
  late.async_wait([this](boost::system::error_code) { serve(); });
  EXPECT_EQ(said(monitor_->start()), "");
}

TEST_F(FirecrackerMonitor, WaitsForNobodyWhoHasEnded) {
  asio::steady_timer end(loop_, milliseconds(30));
  end.async_wait([this](boost::system::error_code) { monitor_->ended(); });
  EXPECT_EQ(said(monitor_->start()), "firecracker PUT /actions: it has ended");
  EXPECT_EQ(said(monitor_->power_button()), "firecracker PUT /actions: it has ended");
}

TEST_F(FirecrackerMonitor, DoesNotWaitForASocketThatWasThereAlready) {
  serve();
  EXPECT_EQ(said(monitor_->start()), "");
  std::filesystem::remove(socket_);
  EXPECT_EQ(said(monitor_->start()), "firecracker PUT /actions: " + socket_ + ": No such file or directory");
}

TEST_F(FirecrackerMonitor, KnowsAVmThatIsCompleteFromOneThatIsNot) {
  serve();
  auto state = [this](const char* word, const char* kernel) {
    answers_ = {{200, std::string(R"({"id":"web1","state":")") + word + R"("})"},
                {200, std::string(R"({"boot-source":{"kernel_image_path":")") + kernel + R"("}})"}};
    auto found = run(monitor_->state());
    EXPECT_TRUE(found) << found.error().sentence();
    return found.value_or(GuestState::stopped);
  };
  EXPECT_EQ(state("Not started", ""), GuestState::none);
  EXPECT_EQ(state("Not started", "/k"), GuestState::created);
  EXPECT_EQ(state("Running", "/k"), GuestState::running);
  EXPECT_EQ(state("Paused", "/k"), GuestState::paused);
  for (const char* body : {"", "{", "[]", "{}", R"({"state":7})", R"({"state":"Dreaming"})"}) {
    answers_ = {{200, body}};
    EXPECT_FALSE(run(monitor_->state())) << body;
  }
}

TEST_F(FirecrackerMonitor, SaysWhatItHasNoWayTo) {
  serve();
  Result<> reset = run(monitor_->reset());
  ASSERT_FALSE(reset);
  EXPECT_EQ(reset.error().kind(), ErrorKind::conflict);
  EXPECT_EQ(said(monitor_->quit()), "firecracker has no way to be asked to leave but a signal");
  EXPECT_EQ(said(monitor_->nmi()), "this monitor cannot send an NMI");
  EXPECT_TRUE(asked_.empty());
}

}  // namespace
}  // namespace vmline::vmm::firecracker
